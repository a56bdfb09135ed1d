"""The settings: pointsman.yaml and the environment, read into one frozen value."""
