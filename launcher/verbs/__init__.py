"""What the command line does, each verb written once against a door's clients."""
