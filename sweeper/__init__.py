"""Many trials: the command line, studies, plans, backends and the ledger."""
