"""What leaves the hub: the ledger of journeys to webhooks, reminders to customers."""
