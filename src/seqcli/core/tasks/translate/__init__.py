"""Translation of texts with an encoder, a decoder and attention."""
