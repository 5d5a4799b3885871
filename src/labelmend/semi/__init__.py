"""Semi-supervised learning, section 3.4 of the paper: guesses, refined labels, mixup and the loss."""
