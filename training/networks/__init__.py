"""Networks: the architectures, and pretrained weights for them."""
