"""Other ways in: the article's nodes, TensorFlow's `GradientTape`, PyTorch's `backward`."""
