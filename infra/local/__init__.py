"""channels-hub on one machine: `make run`, with an emulator in the place of AWS and an embedded Postgres."""
