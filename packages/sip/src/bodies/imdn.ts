import { fail, ok, type Result } from '@stox/kernel'
import {
  childOf,
  childrenOf,
  el,
  isElement,
  localNameOf,
  namespaceOf,
  parseXmlDocument,
  serializeXml,
  textOf,
  type XmlElement,
} from '@stox/xml'
import { listEntries } from '../grammar.ts'

/** What became of a message, by the three notifications. @see RFC 5438 §7.2.1 */
export const IMDN_STATUSES = {
  delivery: ['delivered', 'failed', 'forbidden', 'error'],
  display: ['displayed', 'forbidden', 'error'],
  processing: ['processed', 'stored', 'forbidden', 'error'],
} as const

export type ImdnDisposition = keyof typeof IMDN_STATUSES

/** A disposition with one of its own statuses. */
export type ImdnNotification = {
  readonly [D in ImdnDisposition]: { readonly disposition: D; readonly status: (typeof IMDN_STATUSES)[D][number] }
}[ImdnDisposition]

export interface Imdn {
  /** The `imdn.Message-ID` of the message that is spoken of. */
  readonly messageId: string
  /** The CPIM `DateTime` of that message, as written. */
  readonly dateTime: string
  readonly recipientUri?: string
  readonly originalRecipientUri?: string
  readonly subject?: string
  readonly notification: ImdnNotification
}

export interface ImdnFailure {
  readonly kind: 'imdn'
  readonly detail: string
}

export const IMDN_TYPE = 'message/imdn+xml'
/** The namespace of the CPIM headers `Message-ID`, `Disposition-Notification` and the routes. @see RFC 5438 §6 */
export const IMDN_HEADERS = 'urn:ietf:params:imdn'

const NS = 'urn:ietf:params:xml:ns:imdn'
const isDisposition = (name: string): name is ImdnDisposition => Object.hasOwn(IMDN_STATUSES, name)
const SUFFIX = '-notification'

const refused = (detail: string): Result<never, ImdnFailure> => fail({ kind: 'imdn', detail })

export function parseImdn(body: Uint8Array | string): Result<Imdn, ImdnFailure> {
  const document = parseXmlDocument(body)
  if (!document.ok) return refused(document.failure.detail)
  const root = document.value
  if (!isElement(root, 'imdn', NS)) return refused('the root is no imdn')
  const textIn = (name: string): string | undefined => {
    const child = childOf(root, name, NS)
    return (child && textOf(child).trim()) || undefined
  }
  const messageId = textIn('message-id')
  const dateTime = textIn('datetime')
  if (messageId === undefined || dateTime === undefined) return refused('no message-id, or no datetime')
  const notifications = childrenOf(root).filter(
    (child) => namespaceOf(child) === NS && localNameOf(child).endsWith(SUFFIX),
  )
  const notification = notifications.length === 1 ? readNotification(notifications[0]!) : undefined
  if (notification === undefined) return refused('not one notification with one known status')
  const recipientUri = textIn('recipient-uri')
  const originalRecipientUri = textIn('original-recipient-uri')
  const subject = textIn('subject')
  return ok({
    messageId,
    dateTime,
    ...(recipientUri === undefined ? {} : { recipientUri }),
    ...(originalRecipientUri === undefined ? {} : { originalRecipientUri }),
    ...(subject === undefined ? {} : { subject }),
    notification,
  })
}

function readNotification(element: XmlElement): ImdnNotification | undefined {
  const disposition = localNameOf(element).slice(0, -SUFFIX.length)
  const status = childOf(element, 'status', NS)
  if (!isDisposition(disposition) || status === undefined) return undefined
  const known: readonly string[] = IMDN_STATUSES[disposition]
  // Elements of other namespaces may stand beside the status. @see RFC 5438 §11.1
  const names = childrenOf(status)
    .filter((child) => namespaceOf(child) === NS)
    .map(localNameOf)
  return names.length === 1 && known.includes(names[0]!)
    ? ({ disposition, status: names[0]! } as ImdnNotification)
    : undefined
}

/** The order of elements is the schema's. @see RFC 5438 §11.1 */
export function formatImdn(imdn: Imdn): string {
  const { disposition, status } = imdn.notification
  const optional = (name: string, text: string | undefined): XmlElement[] =>
    text === undefined ? [] : [el(name, {}, text)]
  const root = el(
    'imdn',
    { xmlns: NS },
    el('message-id', {}, imdn.messageId),
    el('datetime', {}, imdn.dateTime),
    ...optional('recipient-uri', imdn.recipientUri),
    ...optional('original-recipient-uri', imdn.originalRecipientUri),
    ...optional('subject', imdn.subject),
    el(`${disposition}${SUFFIX}`, {}, el('status', {}, el(status))),
  )
  return `<?xml version="1.0" encoding="UTF-8"?>\n${serializeXml(root)}`
}

/** @see RFC 5438 §6.3 */
export type DispositionRequest = 'positive-delivery' | 'negative-delivery' | 'processing' | 'display'

const REQUESTS: readonly string[] = [
  'positive-delivery',
  'negative-delivery',
  'processing',
  'display',
] satisfies readonly DispositionRequest[]

/** What the sender of a message wants to hear, of a `Disposition-Notification` header; words unknown to us left out. */
export const parseDispositionNotification = (value: string): readonly DispositionRequest[] =>
  listEntries(value)
    .map((entry) => entry.split(';', 1)[0]!.trim())
    .filter((word): word is DispositionRequest => REQUESTS.includes(word))

export const formatDispositionNotification = (requests: readonly DispositionRequest[]): string => requests.join(', ')
