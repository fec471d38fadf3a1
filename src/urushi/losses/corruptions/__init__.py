"""What a denoising autoencoder gets to see, C(x) of S4 eq. 4, one corruption per file."""
