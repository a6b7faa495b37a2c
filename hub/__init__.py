"""The hub of a bank: takes what boxes report, keeps it truthfully, answers for it."""
