"""One call to the endpoint: request, payload, attempts, waiting, verdict, outcome. No Beam in here."""
