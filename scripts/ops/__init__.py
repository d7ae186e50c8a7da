"""What a person runs on the control node. Nothing here imports the service in app/."""
