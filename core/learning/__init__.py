"""The room of learning: how models are trained, here the small one that comes with Parley."""
