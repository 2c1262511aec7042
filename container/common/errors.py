"""The error hierarchy of the containers.

ContainerError                 anything a person can put right; one sentence: what, why, what to do
├── HyperparameterError        a hyperparameter is unknown or cannot be parsed
├── DataError                  a channel, a folder or an image is missing or unusable
├── WeightsError               pretrained weights cannot be had or do not fit
├── ArtifactError              a model artifact is missing, damaged or of an unknown format
├── StorageError               the disk is full or not writable
└── RequestError               an inference request is at fault; carries an HTTP status and a code
    ├── BadInput               400  the payload cannot be read as what it says it is
    ├── NotAcceptable          406  no answer can be given in the asked-for type
    ├── PayloadTooLarge        413  too many bytes, pixels or images
    └── UnsupportedContentType 415  the payload's type is not one of those accepted
"""

from __future__ import annotations


class ContainerError(Exception):
    """Something a person can put right: the message says what failed, why, and what to do."""


# In what a process says that has only lost another one of its job: who asks for the reason is to look further.
ELSEWHERE = "its own host has the reason"

# The end of what a job says that cannot have the weights it was to begin with: so would any other with that wish.
THREE_WAYS = (
    "the three ways are weights=imagenet where torchvision's files can be downloaded or are baked into the image, "
    "weights=channel with a .pth or .safetensors file in the 'weights' channel, and weights=none for random ones"
)


class HyperparameterError(ContainerError):
    """A hyperparameter is unknown, or its value cannot be used."""


class DataError(ContainerError):
    """A channel, a folder or an image is missing or unusable."""


class WeightsError(ContainerError):
    """Pretrained weights cannot be had, or do not fit the architecture."""


class ArtifactError(ContainerError):
    """A model artifact is missing, damaged, or of a format this version does not know."""


class StorageError(ContainerError):
    """The disk is full or cannot be written."""


class RequestError(ContainerError):
    """An inference request is at fault. ``status`` is the HTTP status, ``code`` the error's word."""

    status = 400
    code = "BadRequest"


class BadInput(RequestError):
    """The payload cannot be read as what its content type says (400)."""

    code = "BadInput"


class NotAcceptable(RequestError):
    """None of the types in ``Accept`` can be produced (406)."""

    status = 406
    code = "NotAcceptable"


class PayloadTooLarge(RequestError):
    """Too many bytes, pixels or images in one request (413)."""

    status = 413
    code = "PayloadTooLarge"


class UnsupportedContentType(RequestError):
    """The payload's content type is not one of those accepted (415)."""

    status = 415
    code = "UnsupportedContentType"


def ended(text: str) -> str:
    """``text`` with a full stop, unless it ends a sentence already."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def first_line(error: object) -> str:
    """What ``error`` says, in one line: for the "why" of a sentence."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
