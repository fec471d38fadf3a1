"""What the latent code of an autoencoder shall be like, R(z) of S4 eq. 2, one regulariser per file."""
