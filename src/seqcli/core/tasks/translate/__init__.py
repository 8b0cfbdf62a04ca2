"""Translation of texts by an encoder and a decoder, with attention."""
