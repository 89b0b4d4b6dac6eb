"""Every error that Loupe raises on purpose.

    LoupeError
    ├── ImageError                    one picture cannot be used
    │   ├── UnsupportedImageError     not an image type that is served
    │   ├── ImageTooLargeError        too many bytes or pixels
    │   └── UndecodableImageError     broken or truncated
    ├── ModelError                    one model cannot be used
    │   ├── ModelNotFoundError        no such model, version or label
    │   │   └── NoReferenceError      its file says nothing of its own photos
    │   ├── InvalidModelError         file, metadata or golden samples are wrong
    │   └── VersionExistsError        a published version is never overwritten
    ├── RequestError                  the request is malformed
    │   ├── RequestTooLargeError      too many bytes or images in one request
    │   ├── RequestTimeoutError       the body arrives too slowly
    │   ├── HeadersTooLargeError      the headers have too many bytes
    │   ├── OtherModelsError          the output holds answers of other models
    │   ├── UnauthorizedError         the key or token is missing or wrong
    │   └── ForbiddenError            the operator has not turned this call on
    ├── ServiceError                  the service cannot answer now
    │   ├── QueueFullError            try again after a pause
    │   ├── NotReadyError             starting or draining
    │   ├── StoreError                a store of objects fails
    │   ├── DeadlineExceededError     could not be answered in time
    │   └── StorageFullError          what was to be kept has no room
    ├── DeviceError                   the execution device asked for is not in effect
    ├── SettingsError                 a setting is unknown or out of its bounds
    ├── ChangedMeanwhileError         a file is no longer the one that was read
    ├── NotOursError                  a file cannot be replaced without its owner losing it
    └── TrainingError                 an offline step cannot go on
        ├── ManifestError             the list of photos is wrong
        ├── SplitLeakError            one group of near-duplicates crosses splits
        ├── ExportError               the ONNX file does not answer as the Keras model does
        └── PromotionError            the candidate must not replace the published version

The message of each is one sentence: what was given, and what is allowed.
Nothing here knows HTTP; ``serving/http/errors.py`` maps classes to statuses.
"""

from typing import Literal


class LoupeError(Exception):
    """Base of all errors that Loupe raises on purpose."""


class ImageError(LoupeError):
    """One picture cannot be used."""


class UnsupportedImageError(ImageError):
    """The bytes are not of an image type that is served."""


class ImageTooLargeError(ImageError):
    """The picture has too many bytes or pixels.

    Attributes:
        limit: which of the limits that can be set it is beyond; None for one that cannot.
    """

    def __init__(self, message: str, limit: Literal["bytes", "pixels"] | None = None) -> None:
        super().__init__(message)
        self.limit = limit


class UndecodableImageError(ImageError):
    """The picture is broken or truncated."""


class ModelError(LoupeError):
    """One model cannot be used."""


class ModelNotFoundError(ModelError):
    """There is no such model, version or label."""


class NoReferenceError(ModelNotFoundError):
    """The model's file does not say what its own photos look like."""


class InvalidModelError(ModelError):
    """A model file, its metadata or its golden samples are wrong."""


class VersionExistsError(ModelError):
    """The version is published already; versions are never overwritten."""


class RequestError(LoupeError):
    """The request is malformed."""


class RequestTooLargeError(RequestError):
    """The request holds too many bytes or images."""


class RequestTimeoutError(RequestError):
    """The request's body arrives too slowly."""


class HeadersTooLargeError(RequestError):
    """The request's headers have too many bytes."""


class OtherModelsError(RequestError):
    """The output that would be gone on with holds answers of other models."""


class UnauthorizedError(RequestError):
    """The API key or the token is missing or wrong."""


class ForbiddenError(RequestError):
    """The call is off: control calls without a token, others by their setting."""


class ServiceError(LoupeError):
    """The service cannot answer now."""


class QueueFullError(ServiceError):
    """All places in the queue are taken.

    Attributes:
        retry_after_s: seconds until there may be one.
    """

    def __init__(self, message: str, retry_after_s: float = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotReadyError(ServiceError):
    """The service is starting or draining."""


class StoreError(ServiceError):
    """A store of objects fails, or cannot be reached."""


class DeadlineExceededError(ServiceError):
    """The answer could not be given before its deadline."""


class StorageFullError(ServiceError):
    """There is no room for what was to be kept."""


class DeviceError(LoupeError):
    """The execution device that was asked for is not in effect."""


class SettingsError(LoupeError):
    """A setting is unknown or out of its bounds."""


class ChangedMeanwhileError(LoupeError):
    """A file is no longer the one that was read."""


class NotOursError(LoupeError):
    """A file belongs to others, who would lose it if it were replaced."""


class TrainingError(LoupeError):
    """An offline step cannot go on."""


class ManifestError(TrainingError):
    """The list of photos is wrong."""


class SplitLeakError(TrainingError):
    """One group of near-duplicates lies in more than one split."""


class ExportError(TrainingError):
    """The ONNX file does not answer as the Keras model does."""


class PromotionError(TrainingError):
    """The candidate must not replace the published version."""
