import { latin1Bytes, latin1BytesThen, latin1Text, utf8Bytes } from '@stox/kernel'
import { isToken } from './grammar.ts'
import type { SipMessage } from './message.ts'

/**
 * The bytes of a message, with one more Via on top where that is given (as `formatVia` writes it). Content-Length is
 * always written, and always right.
 */
export function formatSipMessage(message: SipMessage, topVia?: string): Uint8Array {
  const head = formatHead(message, topVia === undefined ? '' : `Via: ${topVia}\r\n`)
  return message.body.length === 0 ? latin1Bytes(head) : latin1BytesThen(head, message.body)
}

/** How many bytes `formatSipMessage` would give. */
export const sipMessageLength = (message: SipMessage): number => formatHead(message).length + message.body.length

const formatHead = (message: SipMessage, topLine = ''): string =>
  `${formatStartLine(message)}\r\n${topLine}${message.headers.toRawLines()}Content-Length: ${message.body.length}\r\n\r\n`

/** One character a byte, like the rest of the head. @see RFC 3261 §7.1, §7.2 */
function formatStartLine(message: SipMessage): string {
  if (message.kind === 'request') {
    const { method, uri } = message
    if (!isToken(method)) throw new RangeError(`not a method: ${JSON.stringify(method)}`)
    if (!/^[\x21-\x7e]+$/.test(uri)) throw new RangeError(`not a Request-URI: ${JSON.stringify(uri)}`)
    return `${method} ${uri} SIP/2.0`
  }
  const { status, reason } = message
  if (!Number.isInteger(status) || status < 100 || status > 699) throw new RangeError(`not a SIP status: ${status}`)
  if (/[\r\n]/.test(reason)) throw new RangeError('a line break in the reason phrase')
  return `SIP/2.0 ${status} ${latin1Text(utf8Bytes(reason))}`
}
