import { utf8Bytes, utf8Text } from '@stox/kernel'

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const WELL_FORMED = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

export function base64OfText(text: string): string {
  const bytes = utf8Bytes(text)
  let encoded = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const triple = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    const digits = [18, 12, 6, 0].map((shift) => DIGITS[(triple >> shift) & 63]!)
    encoded += digits.slice(0, Math.min(4, bytes.length - at + 1)).join('')
  }
  return encoded.padEnd(Math.ceil(encoded.length / 4) * 4, '=')
}

/** Undefined when it is not base64 of UTF-8; white space is not allowed. @see RFC 4648 §4, RFC 6120 §6.4.2 */
export function textOfBase64(encoded: string): string | undefined {
  if (!WELL_FORMED.test(encoded)) return undefined
  const digits = encoded.replace(/=+$/, '')
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4))
  let held = 0
  let bits = 0
  let at = 0
  for (const digit of digits) {
    held = ((held << 6) | DIGITS.indexOf(digit)) & 0xffff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes[at] = (held >> bits) & 255
    at += 1
  }
  return utf8Text(bytes)
}
