"""The trained networks of salkit, as files. ``salkit.models.trained`` finds them here, and then needs no network."""
