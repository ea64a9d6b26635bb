"""Every error the library raises on purpose: one root, a few leaves that also inherit a builtin."""


class SartranslateError(Exception):
    """Root of all errors raised on purpose; its text is one line fit for a user."""


class OptionError(SartranslateError, ValueError):
    """An option is out of its range, or does not fit another option or the model."""


class SceneError(SartranslateError, ValueError):
    """A raster can not be read, or a SAR scene is not what the model expects."""


class EmptySceneError(SceneError):
    """No pixel of a scene is valid."""


class AreaError(SartranslateError, ValueError):
    """An area of interest can not be read, or does not fit the scene."""


class PairsError(SartranslateError, ValueError):
    """A folder of training pairs is incomplete or inconsistent."""


class BundleError(SartranslateError, ValueError):
    """A model file is broken, foreign, or of an unknown version."""


class OutputError(SartranslateError, OSError):
    """An output can not be written."""


class TrainingError(SartranslateError, ArithmeticError):
    """A training run has left the range of numbers, or can not be gone on with."""


class BackendError(SartranslateError, RuntimeError):
    """The deep-learning framework asked for is absent or can not do what was asked."""


class DeviceMemoryError(BackendError):
    """A batch does not fit into the memory of the device."""


class ClusterError(SartranslateError, ConnectionError):
    """A Dask scheduler or its workers can not be reached, are lost, or are not what the work needs."""
