"""The views, in SQL. `raw.<table>` are the rows of all committed runs, `known.<table>` what their manifests say.

An answer is of a call, and a call may ask several features; so what is newest is decided for each image and feature,
by the number of its run in the log: machines whose clocks differ may have made the runs. An image is known by its
present id, also where its answer was filed under the id that an earlier version gave it.
"""

from __future__ import annotations

from typing import NamedTuple

from ...schemas import TABLES

# The feature whose newest answer the rows of a table are of.
_FEATURES = {
    "captions": "caption",
    "dense_captions": "denseCaptions",
    "tags": "tags",
    "objects": "objects",
    "people": "people",
    "smart_crops": "smartCrops",
    "read_pages": "read",
    "read_lines": "read",
    "read_words": "read",
    "read_styles": "read",
    "custom_tags": None,
    "custom_objects": None,
}


class View(NamedTuple):
    """A view: what its rows are, and its SELECT."""

    description: str
    sql: str


_INPUTS = """
SELECT i.*
FROM raw.inputs i
SEMI JOIN (
    SELECT list, arg_max(held_by, number) AS run_id FROM known.lists GROUP BY list
) newest ON newest.list = i.list AND newest.run_id = i.run_id
"""

# An id of an earlier version counts where exactly one listed image had it, and no listed image has it today.
_FORMER = """
SELECT former_id, any_value(image_id) AS image_id
FROM inputs
WHERE former_id IS NOT NULL
GROUP BY former_id
HAVING count(DISTINCT image_id) = 1 AND former_id NOT IN (SELECT image_id FROM inputs WHERE image_id IS NOT NULL)
"""

_ANSWERS = """
SELECT image_id, feature, unnest(max_by(call, (number, call.analyzed_at)))
FROM (
    SELECT
        coalesce(f.image_id, i.image_id) AS image_id,
        unnest(CASE
            WHEN len(i.features) > 0 THEN i.features
            WHEN i.model_name IS NOT NULL THEN [i.model_name]
            ELSE coalesce(k.features, [''])
        END) AS feature,
        {
            stored_id: i.image_id, fingerprint: i.fingerprint, run_id: i.run_id,
            model_name: i.model_name, analyzed_at: i.analyzed_at
        } AS call,
        coalesce(r.number, 0) AS number
    FROM raw.images i
    LEFT JOIN known.runs r ON r.run_id = i.run_id
    LEFT JOIN former f ON f.former_id = i.image_id
    LEFT JOIN (
        SELECT fingerprint, list(feature) AS features FROM known.asked GROUP BY fingerprint
    ) k ON k.fingerprint = i.fingerprint
)
GROUP BY image_id, feature
"""

# Most images have one call, which is taken as it is.
_IMAGES = """
WITH held AS (
    SELECT coalesce(f.image_id, i.image_id) AS image_id, count(*) AS calls, max_by(
        {stored_id: i.image_id, fingerprint: i.fingerprint, run_id: i.run_id},
        (coalesce(r.number, 0), i.analyzed_at)
    ) AS newest
    FROM raw.images i
    LEFT JOIN known.runs r ON r.run_id = i.run_id
    LEFT JOIN former f ON f.former_id = i.image_id
    GROUP BY ALL
),
several AS (
    SELECT a.image_id, list_sort(list_distinct(flatten(list(i.sections)))) AS sections,
        coalesce(list_sort(list(a.feature) FILTER (a.model_name IS NULL AND a.feature <> '')), []) AS features
    FROM answers a
    SEMI JOIN (FROM held WHERE calls > 1) h ON h.image_id = a.image_id
    JOIN raw.images i ON i.image_id = a.stored_id AND i.fingerprint = a.fingerprint AND i.run_id = a.run_id
    GROUP BY a.image_id
)
SELECT i.* REPLACE (
    n.image_id AS image_id, coalesce(s.features, i.features) AS features, coalesce(s.sections, i.sections) AS sections
)
FROM raw.images i
JOIN (SELECT image_id, unnest(newest) FROM held) n
    ON n.stored_id = i.image_id AND n.fingerprint = i.fingerprint AND n.run_id = i.run_id
LEFT JOIN several s ON s.image_id = n.image_id
"""

_SECTION = """
SELECT t.* REPLACE (a.image_id AS image_id)
FROM raw.{table} t
JOIN answers a ON a.stored_id = t.image_id AND a.fingerprint = t.fingerprint AND a.run_id = t.run_id
WHERE {is_of_it}
"""

_RESPONSES = """
SELECT t.* REPLACE (coalesce(f.image_id, t.image_id) AS image_id)
FROM raw.responses t
LEFT JOIN former f ON f.former_id = t.image_id
SEMI JOIN answers a ON a.stored_id = t.image_id AND a.fingerprint = t.fingerprint AND a.run_id = t.run_id
"""

# An image is open while something that was asked of it is answered by no run. A line that names no image can only be
# mended in its list: once the list has another content, its old mistakes are past.
_FAILURES = """
WITH failed AS (
    SELECT 'dead_letter' AS place, coalesce(f.image_id, d.image_id) AS image_id, image_uri, class AS reason, message,
        retryable, attempts, redrive_count, http_status, code, request_id, last_attempt_at, fingerprint, run_id
    FROM raw.dead_letters d
    LEFT JOIN former f ON f.former_id = d.image_id
    WHERE d.image_id NOT IN (
        SELECT line_id FROM raw.inputs WHERE line_id IS NOT NULL
        EXCEPT SELECT line_id FROM inputs WHERE line_id IS NOT NULL
    )
    UNION ALL BY NAME
    SELECT 'deferred' AS place, coalesce(f.image_id, d.image_id) AS image_id, image_uri, reason, detail AS message,
        true AS retryable, fingerprint, run_id
    FROM raw.deferred d
    LEFT JOIN former f ON f.former_id = d.image_id
),
asked AS (
    SELECT failed.*, coalesce(k.answer, failed.fingerprint) AS answer, k.feature
    FROM failed LEFT JOIN known.asked k USING (fingerprint)
),
held AS (
    SELECT DISTINCT coalesce(f.image_id, i.image_id) AS image_id, coalesce(k.answer, i.fingerprint) AS answer
    FROM raw.images i
    LEFT JOIN former f ON f.former_id = i.image_id
    LEFT JOIN known.asked k USING (fingerprint)
    WHERE coalesce(f.image_id, i.image_id) IN (SELECT image_id FROM failed)
),
open AS (
    SELECT * FROM asked ANTI JOIN held USING (image_id, answer)
)
SELECT o.image_id, o.image_uri, o.place, o.reason, o.message, r.what_to_do,
    CASE
        WHEN o.place = 'deferred' THEN 'called first by the next run'
        WHEN NOT o.retryable THEN 'not called again; call it with --redrive ' || o.reason
        WHEN o.attempts > 0 AND o.redrive_count >= 3 THEN 'called often enough; raise --max_redrives'
        ELSE 'called again by the next run'
    END AS next,
    list_sort(list(DISTINCT o.feature) FILTER (o.feature IS NOT NULL) OVER image) AS features,
    o.retryable, o.attempts, o.redrive_count, o.http_status, o.code, o.request_id, o.last_attempt_at, o.fingerprint,
    o.run_id
FROM open o
LEFT JOIN known.reasons r ON r.reason = o.reason
LEFT JOIN known.runs n ON n.run_id = o.run_id
WINDOW image AS (PARTITION BY o.image_id)
QUALIFY row_number() OVER (
    PARTITION BY o.image_id ORDER BY n.number DESC NULLS LAST, o.place, o.redrive_count DESC, o.fingerprint
) = 1
"""

_OUTCOMES = """
WITH listed AS (
    SELECT *, coalesce(image_id, line_id) AS known_as,
        row_number() OVER (PARTITION BY coalesce(image_id, line_id) ORDER BY list, position, uri) > 1 AS is_duplicate
    FROM inputs
),
answered AS (
    SELECT a.image_id, arg_max(a.run_id, coalesce(r.number, 0)) AS run_id
    FROM answers a
    LEFT JOIN known.runs r ON r.run_id = a.run_id
    GROUP BY a.image_id
)
SELECT l.list, l.position, l.uri, l.raw, l.known_as AS image_id, l.is_duplicate,
    CASE WHEN f.place IS NOT NULL THEN f.place WHEN a.run_id IS NOT NULL THEN 'answered' ELSE 'unknown' END AS place,
    f.reason, coalesce(f.message, l.mistake) AS message, f.what_to_do, f.next, coalesce(f.run_id, a.run_id) AS run_id
FROM listed l
LEFT JOIN failures f ON f.image_id = l.known_as
LEFT JOIN answered a ON a.image_id = l.known_as
"""

_COST = """
SELECT day, feature, currency, sum(transactions)::BIGINT AS transactions, sum(amount) AS amount
FROM known.costs
GROUP BY ALL
"""


def _section(table: str, feature: str | None) -> View:
    is_of_it = "a.model_name IS NOT NULL" if feature is None else f"a.feature IN ('{feature}', '')"
    of_which = "custom model" if feature is None else f"feature {feature}"
    return View(
        f"{TABLES[table].description}; of the newest answer per image and {of_which}",
        _SECTION.format(table=table, is_of_it=is_of_it),
    )


VIEWS = {
    "images": View("one row per answered image: its newest answer, with all features and sections it has", _IMAGES),
    **{table: _section(table, feature) for table, feature in _FEATURES.items()},
    "responses": View("the newest answers as they came", _RESPONSES),
    "failures": View("open dead letters and deferred images: one row each, what to do, and what comes next", _FAILURES),
    "outcomes": View("every line of the lists as they were last read, with what became of it", _OUTCOMES),
    "inputs": View("every line of the lists as they were last read", _INPUTS),
    "answers": View("the newest call per image and feature that answered it", _ANSWERS),
    "cost": View("transactions and amount by day and feature", _COST),
    "runs": View("one row per committed run", "SELECT * FROM known.runs"),
    "former": View("the present id of images by the id that an earlier version gave them", _FORMER),
}
