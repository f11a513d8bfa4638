"""Every error that salkit raises on purpose, so that callers can catch them by type."""


class SalkitError(Exception):
    """The parent of all of them."""


class InputError(SalkitError, ValueError):
    """The inputs can't be explained: wrong dtype, shape, or range."""


class TargetError(SalkitError, ValueError):
    """The target doesn't fit the model's outputs or the batch."""


class DataUnavailableError(SalkitError, RuntimeError):
    """A dataset could be neither found nor downloaded; the message says what to do."""


class CorruptDataError(SalkitError, RuntimeError):
    """A file is there, but it is truncated, altered, or unsafe to unpack."""


class CheckpointError(SalkitError, RuntimeError):
    """A checkpoint file is damaged, or does not fit the network."""


class TrainingDivergedError(SalkitError, RuntimeError):
    """The loss became NaN or infinite."""


class LayerError(SalkitError, ValueError):
    """The layer is not part of the model, did not run, ran more than once, or has no tensor to offer."""


class NoTargetLayerError(LayerError):
    """The model has no layer that the method could use, for example none with a spatial grid."""


class NotDifferentiableError(SalkitError, RuntimeError):
    """No gradient flows from the score back to what is explained."""


class ProfileError(SalkitError, ValueError):
    """``SALKIT_PROFILE`` is neither ``full`` nor ``fast``."""


class RecordError(SalkitError, ValueError):
    """A result can't be recorded: its name is none or is taken, or its value is none that JSON could hold."""


class SalkitWarning(UserWarning):
    """The call works, but its result is suspicious; the message says why."""


def require(name: str, value: object, fits: bool, wanted: str) -> None:
    """Raise an InputError that says what was wanted, unless the value fits."""
    if not fits:
        raise InputError(f"{name} must be {wanted}, not {value!r}")
