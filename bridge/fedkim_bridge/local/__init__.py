"""Records and encoders: what ``src/local`` of FedKIM computes, value for value, without training them."""
