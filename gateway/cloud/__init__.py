"""The link to the cloud: what happened here goes up, what is planned there comes down."""
