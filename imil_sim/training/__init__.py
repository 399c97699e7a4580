"""The training room: models, augmentation, the loop, Grad-CAM and evaluation; torch lives here and in the engine."""
