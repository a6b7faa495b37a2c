"""The book and the queue: appointments, tickets, and who is next."""
