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


class NothingSelectedError(RequestError):
    """A filter lets no sample through."""

    reason = "nothing_selected"
    http_status = 404
    text = "No sample is selected"
    remedy = "Change the filter, or select some."


class NothingToRetryError(RequestError):
    """Nothing of an export can be exported once more. Facts: what, fix."""

    reason = "nothing_to_retry"
    http_status = 409


class CardBusyError(RequestError):
    """Something may be writing to a card. Facts: path, what."""

    reason = "card_busy"
    http_status = 409
    text = "{path} cannot be taken out: {what} may be writing to it"
    remedy = "Wait until it is done, then ask again."


class CardPlanError(RequestError):
    """The files to remove from a card are not those that a client was shown."""

    reason = "card_plan"
    http_status = 409
    text = "Other files than those that were shown would go from the card; none was removed"
    remedy = "Look again at what would go."


class KitTakenError(RequestError):
    """There is a kit of this name already. Facts: name."""

    reason = "kit_taken"
    http_status = 409
    text = "There is a kit {name} already"
    remedy = "Choose another name."


class KitReadOnlyError(RequestError):
    """A kit cannot be edited, because of where it comes from or how it is written. Facts: what, fix."""

    reason = "kit_read_only"
    http_status = 409


class PadConflictError(RequestError):
    """A kit is not such that this can be done with it or with one of its pads. Facts: what, fix."""

    reason = "pad_conflict"
    http_status = 409


class KitChangedError(RequestError):
    """A kit is not as the client knows it. Facts: name."""

    reason = "kit_changed"
    http_status = 412
    text = "The kit {name} was changed elsewhere meanwhile: on another page, or in an editor"
    remedy = "Look at it as it is now, and make your change again."


class KitTagMissingError(RequestError):
    """A client would change a kit without saying which state of it it knows."""

    reason = "kit_tag_missing"
    http_status = 428
    text = "A change of a kit needs the header If-Match"
    remedy = "Send the ETag of the last answer, so that nobody overwrites what another one did."


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


class TooManyTriesError(RequestError):
    """Somebody tried too many wrong tokens."""

    reason = "too_many_tries"
    http_status = 429
    text = "Too many wrong tokens"
    remedy = "Wait for a minute."


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
