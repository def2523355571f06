"""The request, the manifest, a project or a card cannot be used: exit status 2, nothing written."""

from schemas.errors.base_error import Sp404Error


class RequestError(Sp404Error):
    """An option, a setting or a selection that cannot be carried out. Facts: what, fix."""

    reason = "bad_request"


class RecordNotFoundError(RequestError):
    """No record has this number. Facts: noun, id, fix."""

    reason = "unknown"
    http_status = 404
    text = "{noun} {id} not found"


class NothingExportedError(RequestError):
    """An export has no files, because nothing of it was exported. Facts: what, fix."""

    reason = "nothing_exported"
    http_status = 404


class NotAsRecordedError(RequestError):
    """The files of an export are no longer those that it wrote. Facts: what, fix."""

    reason = "not_as_recorded"
    http_status = 409


class FilesGoneError(RequestError):
    """The files of an export are no longer where it wrote them. Facts: what, fix."""

    reason = "files_gone"
    http_status = 410


class ForbiddenError(RequestError):
    """This program can do it, but not for a client over a network. Facts: what, fix."""

    reason = "forbidden"
    http_status = 403


class UnauthorizedError(RequestError):
    """A client sent no token, or a wrong one."""

    reason = "unauthorized"
    http_status = 401
    text = "A token is needed"
    remedy = "Send it in the header: Authorization: Bearer TOKEN."


class BodyTooLargeError(RequestError):
    """A client sent too much. Facts: maximum, in bytes."""

    reason = "body_too_large"
    http_status = 413
    text = "The request is too large (maximum: {maximum:,} bytes)"
    remedy = "Ask for less at once."


class RangeError(RequestError):
    """A client asked for bytes beyond the end of a file. Facts: size, in bytes."""

    reason = "range"
    http_status = 416
    text = "The range is outside of the file ({size:,} bytes)"
    remedy = "Ask for a range within it."


class ManifestError(Sp404Error):
    """The manifest is not a table that can be read. Facts: path, what, fix."""

    reason = "bad_manifest"
    text = "{path}: {what}"


class ProjectError(Sp404Error):
    """A device project cannot be read, or cannot be written as requested. Facts: path, what, fix."""

    reason = "bad_project"
    text = "{path}: {what}"


class CardError(Sp404Error):
    """A path is not a card, or not a card to write to. Facts: path, what, fix."""

    reason = "bad_card"
    text = "{path} {what}"
