"""What others can see of the service: metrics, structured events, the release that runs."""
