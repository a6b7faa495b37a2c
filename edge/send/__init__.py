"""What leaves the box: durable first, then MQTT."""
