"""The kiosk at work: its vault, its desk, its page; what is decided, is decided in `edge.kiosk`."""
