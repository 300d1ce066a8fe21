import { fail, ok, type Result } from '@stox/kernel'
import { childOf, el, isElement, parseXmlDocument, serializeXml, textOf } from '@stox/xml'
import { parseDigits } from '../grammar.ts'

/** @see RFC 3994 §3 */
export interface IsComposing {
  readonly state: 'active' | 'idle'
  /** As written: when composing was last seen. */
  readonly lastActive?: string
  /** The media type of what is being composed. */
  readonly contentType?: string
  /** How long an active state holds without another. */
  readonly refreshS?: number
}

export interface IsComposingFailure {
  readonly kind: 'is-composing'
  readonly detail: string
}

export const IS_COMPOSING_TYPE = 'application/im-iscomposing+xml'

/** What a receiver takes when an active state names no refresh. @see RFC 3994 §3.3 */
export const DEFAULT_REFRESH_S = 120
/** Shorter intervals should not be asked for. @see RFC 3994 §3.3 */
export const MIN_REFRESH_S = 60

const NS = 'urn:ietf:params:xml:ns:im-iscomposing'
const MAX_REFRESH_S = 2 ** 31 - 1

/** A state we have no word for is idle. @see RFC 3994 §3.5 */
export function parseIsComposing(body: Uint8Array | string): Result<IsComposing, IsComposingFailure> {
  const document = parseXmlDocument(body)
  if (!document.ok) return fail({ kind: 'is-composing', detail: document.failure.detail })
  const root = document.value
  if (!isElement(root, 'isComposing', NS)) return fail({ kind: 'is-composing', detail: 'the root is no isComposing' })
  const textIn = (name: string): string => {
    const child = childOf(root, name, NS)
    return child === undefined ? '' : textOf(child).trim()
  }
  const state = textIn('state')
  if (state === '') return fail({ kind: 'is-composing', detail: 'no state' })
  const lastActive = textIn('lastactive')
  const contentType = textIn('contenttype')
  const refreshS = parseDigits(textIn('refresh'), MAX_REFRESH_S)
  return ok({
    state: state === 'active' ? 'active' : 'idle',
    ...(lastActive === '' ? {} : { lastActive }),
    ...(contentType === '' ? {} : { contentType }),
    // `positiveInteger`: a nought says nothing.
    ...(refreshS ? { refreshS } : {}),
  })
}

/** The order of elements is the schema's. @see RFC 3994 §5 */
export function formatIsComposing({ state, lastActive, contentType, refreshS }: IsComposing): string {
  const root = el('isComposing', { xmlns: NS }, el('state', {}, state))
  if (lastActive !== undefined) root.cnode(el('lastactive', {}, lastActive))
  if (contentType !== undefined) root.cnode(el('contenttype', {}, contentType))
  if (refreshS !== undefined) {
    if (!Number.isInteger(refreshS) || refreshS < 1 || refreshS > MAX_REFRESH_S) {
      throw new RangeError(`not a refresh interval: ${refreshS}`)
    }
    root.cnode(el('refresh', {}, String(refreshS)))
  }
  return `<?xml version="1.0" encoding="UTF-8"?>\n${serializeXml(root)}`
}
