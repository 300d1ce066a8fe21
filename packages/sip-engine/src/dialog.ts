import type { Result } from '@stox/kernel'
import type { SipHeaderEntry, SipRequest } from '@stox/sip'

/** A dialog as plain JSON, so that it survives the process. Texts are as they came. @see RFC 3261 §12 */
export interface Dialog {
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
  /** From of what we send: an address without tag. */
  readonly local: string
  readonly remote: string
  /** The peer's Contact. */
  readonly remoteTarget: string
  /** Route values in the order of use, as they came. */
  readonly routeSet: readonly string[]
  /** Of the last request we sent. */
  readonly localCSeq: number
  /** Of the last request we took; null: none yet. */
  readonly remoteCSeq: number | null
}

/** A request, and the URI to locate for it; undefined: the route of the domain it is for. */
export interface OutgoingRequest {
  readonly request: SipRequest
  readonly nextHop: string | undefined
}

export interface DialogRefusal {
  readonly status: 400 | 481 | 500
  readonly detail: string
}

export interface InDialogRequest {
  readonly headers?: readonly SipHeaderEntry[]
  readonly contentType?: string
  readonly body?: string | Uint8Array
}

/** Call-ID and our tag name a dialog before the other tag is known: the key to find a subscription by. */
export const dialogKey = (callId: string, localTag: string): string => `${localTag} ${callId}`

/** The key of the dialog that an incoming request belongs to; undefined when it has no To tag. */
export function dialogKeyOf(request: SipRequest): string | undefined {
  const tag = request.core.to.params.get('tag')
  return tag === undefined ? undefined : dialogKey(request.core.callId, tag)
}

/** The dialog an incoming request creates: SUBSCRIBE at the notifier, the first NOTIFY at the subscriber. @see RFC 3261 §12.1.1, RFC 6665 §4.4.1 */
export declare function dialogFromRequest(
  request: SipRequest,
  localTag: string,
  localCSeq: number,
): Result<Dialog, DialogRefusal>

/** @see RFC 3261 §12.2.1.1 */
export declare function requestInDialog(
  dialog: Dialog,
  method: string,
  content: InDialogRequest,
): { readonly dialog: Dialog; readonly outgoing: OutgoingRequest }

/** Takes a request within the dialog: tags, order, and the refreshed target. @see RFC 3261 §12.2.2 */
export declare function receiveInDialog(dialog: Dialog, request: SipRequest): Result<Dialog, DialogRefusal>
