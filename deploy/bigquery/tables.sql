-- Written by `python -m image_analysis_beam.schemas`; do not edit.
-- bq query --use_legacy_sql=false --dataset_id=PROJECT:DATASET < tables.sql

CREATE TABLE IF NOT EXISTS `images` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `width` INT64 NOT NULL OPTIONS (description = "width of the image, in the frame of its boxes"),
  `height` INT64 NOT NULL OPTIONS (description = "height of the image, in the frame of its boxes"),
  `sections` ARRAY<STRING> OPTIONS (description = "the sections that the answer held; asked and not here: the service left it out"),
  `model_version` STRING OPTIONS (description = "version of the service's model"),
  `features` ARRAY<STRING> OPTIONS (description = "the features that were asked; empty with a custom model"),
  `model_name` STRING OPTIONS (description = "the custom model that was asked"),
  `api_version` STRING NOT NULL OPTIONS (description = "the api-version that was asked"),
  `request_id` STRING OPTIONS (description = "apim-request-id: the id to quote to support"),
  `region` STRING OPTIONS (description = "x-ms-region: where the service ran"),
  `billed_units` INT64 OPTIONS (description = "CSP-Billing-Usage: transactions billed for the answer"),
  `latency_ms` FLOAT64 NOT NULL OPTIONS (description = "of the attempt that was answered"),
  `attempts` INT64 NOT NULL OPTIONS (description = "HTTP requests that the image took"),
  `maybe_billed` BOOL NOT NULL OPTIONS (description = "whether an earlier attempt got no answer, and may have been billed too"),
  `analyzed_at` TIMESTAMP NOT NULL OPTIONS (description = "when the answer came, UTC"),
  `fit` INT64 OPTIONS (description = "`--fit`, where the image was not sent as it is; null: sent untouched"),
  `sent_width` INT64 OPTIONS (description = "width of what was sent as bytes, as stored"),
  `sent_height` INT64 OPTIONS (description = "height of what was sent as bytes, as stored"),
  `sent_bytes` INT64 OPTIONS (description = "size of the image as it was sent; null: by URL"),
  `sent_format` STRING OPTIONS (description = "format of what was sent as bytes"),
  `content_bytes` INT64 OPTIONS (description = "size of the image itself, where it was read"),
  `content_sha256` STRING OPTIONS (description = "SHA-256 of the image itself, where it was read"),
  `content_etag` STRING OPTIONS (description = "what the store told the image by, where it was read: generation (GCS), ETag (S3, Azure), or of a local file the time of its last change in nanoseconds and its size"),
  `copy_of` STRING OPTIONS (description = "the image with the same bytes that was called, whose outcome this one took; null: it took its own"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "one row per analyzed image");

CREATE TABLE IF NOT EXISTS `captions` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `text` STRING NOT NULL OPTIONS (description = "the caption, in English"),
  `confidence` FLOAT64 NOT NULL OPTIONS (description = "confidence, exactly as received"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "one caption of the whole image");

CREATE TABLE IF NOT EXISTS `dense_captions` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `text` STRING NOT NULL OPTIONS (description = "the caption, in English"),
  `confidence` FLOAT64 NOT NULL OPTIONS (description = "confidence, exactly as received"),
  `x` INT64 NOT NULL OPTIONS (description = "left edge of the bounding box"),
  `y` INT64 NOT NULL OPTIONS (description = "top edge of the bounding box"),
  `w` INT64 NOT NULL OPTIONS (description = "width of the bounding box"),
  `h` INT64 NOT NULL OPTIONS (description = "height of the bounding box"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "captions of regions; ordinal 0 is the whole image");

CREATE TABLE IF NOT EXISTS `tags` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `name` STRING NOT NULL OPTIONS (description = "the tag, in the language of the request"),
  `confidence` FLOAT64 NOT NULL OPTIONS (description = "confidence, exactly as received"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "tags of the whole image, the surest first");

CREATE TABLE IF NOT EXISTS `objects` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `name` STRING OPTIONS (description = "the first tag's name; null without tags"),
  `confidence` FLOAT64 OPTIONS (description = "confidence, exactly as received"),
  `x` INT64 NOT NULL OPTIONS (description = "left edge of the bounding box"),
  `y` INT64 NOT NULL OPTIONS (description = "top edge of the bounding box"),
  `w` INT64 NOT NULL OPTIONS (description = "width of the bounding box"),
  `h` INT64 NOT NULL OPTIONS (description = "height of the bounding box"),
  `tags` ARRAY<STRUCT<`name` STRING, `confidence` FLOAT64>> OPTIONS (description = "all tags of the object; one in practice"),
  `id` STRING OPTIONS (description = "the object's id, if the answer has one"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "things found in the image");

CREATE TABLE IF NOT EXISTS `people` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `confidence` FLOAT64 NOT NULL OPTIONS (description = "confidence, exactly as received"),
  `x` INT64 NOT NULL OPTIONS (description = "left edge of the bounding box"),
  `y` INT64 NOT NULL OPTIONS (description = "top edge of the bounding box"),
  `w` INT64 NOT NULL OPTIONS (description = "width of the bounding box"),
  `h` INT64 NOT NULL OPTIONS (description = "height of the bounding box"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "persons found in the image; the service gives many of a confidence near 0.001, so filter");

CREATE TABLE IF NOT EXISTS `smart_crops` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `aspect_ratio` FLOAT64 NOT NULL OPTIONS (description = "width / height, as asked"),
  `x` INT64 NOT NULL OPTIONS (description = "left edge of the bounding box"),
  `y` INT64 NOT NULL OPTIONS (description = "top edge of the bounding box"),
  `w` INT64 NOT NULL OPTIONS (description = "width of the bounding box"),
  `h` INT64 NOT NULL OPTIONS (description = "height of the bounding box"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "one crop per asked ratio, in the order of the request, or one of the service's choice");

CREATE TABLE IF NOT EXISTS `read_pages` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `content` STRING NOT NULL OPTIONS (description = "the text, lines joined by a line feed"),
  `page_number` INT64 OPTIONS (description = "number of the page, from 1; preview only"),
  `width` FLOAT64 OPTIONS (description = "width of the page; preview only"),
  `height` FLOAT64 OPTIONS (description = "height of the page; preview only"),
  `angle` FLOAT64 OPTIONS (description = "clockwise turn of the text; preview only"),
  `spans` ARRAY<STRUCT<`offset` INT64, `length` INT64>> OPTIONS (description = "where the page's text stands in the content, in text elements; preview only"),
  `string_index_type` STRING OPTIONS (description = "what spans count; preview only"),
  `read_model_version` STRING OPTIONS (description = "version of the text model; preview only"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "the text of the image: a row per page (preview) or block (GA); no row where GA found no block");

CREATE TABLE IF NOT EXISTS `read_lines` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `page_ordinal` INT64 NOT NULL OPTIONS (description = "the line's row in read_pages"),
  `text` STRING NOT NULL OPTIONS (description = "the line"),
  `polygon` ARRAY<FLOAT64> OPTIONS (description = "x1, y1 … x4, y4, clockwise from the top left of the text"),
  `spans` ARRAY<STRUCT<`offset` INT64, `length` INT64>> OPTIONS (description = "where the line stands in the content, in text elements; preview only"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "lines of text");

CREATE TABLE IF NOT EXISTS `read_words` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `page_ordinal` INT64 NOT NULL OPTIONS (description = "the word's row in read_pages"),
  `line_ordinal` INT64 OPTIONS (description = "the word's row in read_lines; null where no line's span holds the word's"),
  `text` STRING NOT NULL OPTIONS (description = "the word"),
  `confidence` FLOAT64 NOT NULL OPTIONS (description = "confidence, exactly as received"),
  `polygon` ARRAY<FLOAT64> OPTIONS (description = "x1, y1 … x4, y4, clockwise from the top left of the text"),
  `span_offset` INT64 OPTIONS (description = "start of the word in the content; preview only"),
  `span_length` INT64 OPTIONS (description = "length of the word in the content; preview only"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "words of text");

CREATE TABLE IF NOT EXISTS `read_styles` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `is_handwritten` BOOL NOT NULL OPTIONS (description = "whether the text is handwritten"),
  `confidence` FLOAT64 NOT NULL OPTIONS (description = "confidence, exactly as received"),
  `spans` ARRAY<STRUCT<`offset` INT64, `length` INT64>> OPTIONS (description = "the parts of the content, in text elements"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "styles of parts of the text; preview only");

CREATE TABLE IF NOT EXISTS `custom_tags` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `name` STRING NOT NULL OPTIONS (description = "the class"),
  `confidence` FLOAT64 NOT NULL OPTIONS (description = "confidence, exactly as received"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "classes of a custom model");

CREATE TABLE IF NOT EXISTS `custom_objects` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `ordinal` INT64 NOT NULL OPTIONS (description = "position in the answer, from 0"),
  `name` STRING OPTIONS (description = "the first tag's name; null without tags"),
  `confidence` FLOAT64 OPTIONS (description = "confidence, exactly as received"),
  `x` INT64 NOT NULL OPTIONS (description = "left edge of the bounding box"),
  `y` INT64 NOT NULL OPTIONS (description = "top edge of the bounding box"),
  `w` INT64 NOT NULL OPTIONS (description = "width of the bounding box"),
  `h` INT64 NOT NULL OPTIONS (description = "height of the bounding box"),
  `tags` ARRAY<STRUCT<`name` STRING, `confidence` FLOAT64>> OPTIONS (description = "all tags of the object; one in practice"),
  `id` STRING OPTIONS (description = "the object's id, if the answer has one"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`, `ordinal`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "things that a custom model found");

CREATE TABLE IF NOT EXISTS `responses` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that committed the row; its manifest is runs/<run_id>.json"),
  `api_version` STRING NOT NULL OPTIONS (description = "the api-version that was asked"),
  `features` ARRAY<STRING> OPTIONS (description = "the features that were asked; empty with a custom model"),
  `model_name` STRING OPTIONS (description = "the custom model that was asked"),
  `body` STRING NOT NULL OPTIONS (description = "the JSON exactly as received"),
  `request_id` STRING OPTIONS (description = "apim-request-id: the id to quote to support"),
  `region` STRING OPTIONS (description = "x-ms-region: where the service ran"),
  `billed_units` INT64 OPTIONS (description = "CSP-Billing-Usage: transactions billed for the answer"),
  `latency_ms` FLOAT64 NOT NULL OPTIONS (description = "of the attempt that was answered"),
  `attempts` INT64 NOT NULL OPTIONS (description = "HTTP requests that the image took"),
  `maybe_billed` BOOL NOT NULL OPTIONS (description = "whether an earlier attempt got no answer, and may have been billed too"),
  `bytes_sent` INT64 NOT NULL OPTIONS (description = "size of the request's body"),
  `redrive_count` INT64 NOT NULL OPTIONS (description = "how often the image had been called again after a dead letter"),
  `analyzed_at` TIMESTAMP NOT NULL OPTIONS (description = "when the answer came, UTC"),
  `first_attempt_at` TIMESTAMP OPTIONS (description = "first attempt of all runs, UTC"),
  `endpoint` STRING OPTIONS (description = "the resource that answered"),
  `fit` INT64 OPTIONS (description = "`--fit`, where the image was not sent as it is; null: sent untouched"),
  `sent_width` INT64 OPTIONS (description = "width of what was sent as bytes, as stored"),
  `sent_height` INT64 OPTIONS (description = "height of what was sent as bytes, as stored"),
  `sent_bytes` INT64 OPTIONS (description = "size of the image as it was sent; null: by URL"),
  `sent_format` STRING OPTIONS (description = "format of what was sent as bytes"),
  `content_bytes` INT64 OPTIONS (description = "size of the image itself, where it was read"),
  `content_sha256` STRING OPTIONS (description = "SHA-256 of the image itself, where it was read"),
  `content_etag` STRING OPTIONS (description = "what the store told the image by, where it was read: generation (GCS), ETag (S3, Azure), or of a local file the time of its last change in nanoseconds and its size"),
  `original_width` INT64 OPTIONS (description = "width of a fitted image, as stored"),
  `original_height` INT64 OPTIONS (description = "height of a fitted image, as stored"),
  `copy_of` STRING OPTIONS (description = "the image with the same bytes that was called, whose outcome this one took; null: it took its own"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "every answer as it came, with the facts of its call; one without a row in images is a dead letter");

CREATE TABLE IF NOT EXISTS `dead_letters` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `class` STRING NOT NULL OPTIONS (description = "class of the fault; see docs/outcomes.md"),
  `http_status` INT64 OPTIONS (description = "status of the last reply, if there was one"),
  `code` STRING OPTIONS (description = "the service's error code"),
  `inner_code` STRING OPTIONS (description = "the service's inner error code"),
  `message` STRING NOT NULL OPTIONS (description = "what went wrong"),
  `retryable` BOOL NOT NULL OPTIONS (description = "whether a later run may succeed"),
  `maybe_billed` BOOL NOT NULL OPTIONS (description = "whether an attempt got no answer, and may have been billed"),
  `attempts` INT64 NOT NULL OPTIONS (description = "HTTP requests that the image took in this run"),
  `first_attempt_at` TIMESTAMP OPTIONS (description = "first attempt of all runs, UTC"),
  `last_attempt_at` TIMESTAMP OPTIONS (description = "last attempt, UTC"),
  `request_id` STRING OPTIONS (description = "apim-request-id of the last reply"),
  `region` STRING OPTIONS (description = "x-ms-region of the last reply"),
  `billed_units` INT64 OPTIONS (description = "CSP-Billing-Usage: transactions billed for all attempts"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was asked; the manifest of the run spells it out"),
  `redrive_count` INT64 NOT NULL OPTIONS (description = "how often the image had been called again in later runs"),
  `body` STRING OPTIONS (description = "the last reply, at most 64 KiB of it; an answer that is JSON but not the contract is whole in responses"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run in which it failed"),
  `endpoint` STRING OPTIONS (description = "the resource of the last attempt, if there was one"),
  `fit` INT64 OPTIONS (description = "`--fit` of the run, of an invalid_image; null: none"),
  `copy_of` STRING OPTIONS (description = "the image with the same bytes that was called, whose outcome this one took; null: it took its own"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "images that failed for good in a run");

CREATE TABLE IF NOT EXISTS `deferred` (
  `image_id` STRING NOT NULL OPTIONS (description = "hash of the canonical image URI, 32 hex digits"),
  `image_uri` STRING NOT NULL OPTIONS (description = "the image's URI as given, without userinfo and signature"),
  `reason` STRING NOT NULL OPTIONS (description = "why: a systemic fault, or one of outage, throttled, over_budget, …: docs/outcomes.md"),
  `detail` STRING NOT NULL OPTIONS (description = "what was seen"),
  `fingerprint` STRING NOT NULL OPTIONS (description = "hash of what was to be asked"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that deferred it"),
  PRIMARY KEY (`image_id`, `fingerprint`, `run_id`) NOT ENFORCED
)
CLUSTER BY `image_id`
OPTIONS (description = "images left for a later run: outage, spent quota, wrong key, over the budget, too many dead letters");

CREATE TABLE IF NOT EXISTS `inputs` (
  `list` STRING NOT NULL OPTIONS (description = "the list, or of image files the pattern, as it was named"),
  `position` INT64 NOT NULL OPTIONS (description = "line or row in it, from 1; of a file that a pattern matches, 0"),
  `uri` STRING OPTIONS (description = "the URI as given, without userinfo and signature"),
  `image_id` STRING OPTIONS (description = "the image; null where the line names none"),
  `path` STRING OPTIONS (description = "absolute path of an image on a disk"),
  `raw` STRING OPTIONS (description = "what stands where a URI should: its beginning, without secrets"),
  `mistake` STRING OPTIONS (description = "why no image can be read by it"),
  `line_id` STRING OPTIONS (description = "of a line that names no image: its image_id in dead_letters"),
  `former_id` STRING OPTIONS (description = "the id that an earlier version gave the image, if another"),
  `run_id` STRING NOT NULL OPTIONS (description = "the run that wrote the row")
)
CLUSTER BY `image_id`
OPTIONS (description = "one row per line, row or file of the lists, written once for each content of a list; the manifests of the runs that read it name the run that holds it");
