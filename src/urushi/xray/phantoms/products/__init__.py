"""The products: one module, one product (see `urushi.catalogue`)."""
