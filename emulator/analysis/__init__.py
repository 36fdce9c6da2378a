"""From the pixels of one picture to the facts and sections of its answer; no HTTP in here."""
