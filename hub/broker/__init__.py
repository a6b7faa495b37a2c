"""The MQTT broker of a hub: who may do what, and the embedded nats-server."""
