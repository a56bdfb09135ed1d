"""What a bundle is worth on outcomes, beside baselines on the same rows, with intervals."""
