import { chanceFrom } from '@stox/kernel'
import { DEFAULT_XML_LIMITS, XmlStreamReader, serializeXml } from '@stox/xml'
import type { XmlEvent, XmlLimits } from '@stox/xml'

export const HEADER =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'" +
  " xmlns:db='jabber:server:dialback' from='a.example' to='b.example' version='1.0'>"
export const SENTINEL = "<message to='x@b.example'><body>sentinel</body></message>"

export const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8')
export const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1')

export type Cut = (remaining: number) => number
export const whole: Cut = (remaining) => remaining
export const bytewise: Cut = () => 1
export const randomly = (seed: number): Cut => {
  const chance = chanceFrom(seed)
  return (remaining) => 1 + Math.floor(chance() * Math.min(remaining, 40))
}

/** Events as lines of text, so that they compare. */
export function read(bytes: Uint8Array, cut: Cut = whole, limits: Partial<XmlLimits> = {}): string[] {
  const reader = new XmlStreamReader({ ...DEFAULT_XML_LIMITS, ...limits })
  const lines: string[] = []
  for (let at = 0; at < bytes.length;) {
    const size = cut(bytes.length - at)
    for (const event of reader.push(bytes.subarray(at, at + size))) lines.push(line(event))
    at += size
  }
  return lines
}

function line(event: XmlEvent): string {
  switch (event.kind) {
    case 'stream-start':
      return `start ${serializeXml(event.element)}`
    case 'element':
      return `${event.bytes} ${serializeXml(event.element)}`
    case 'stream-end':
      return 'end'
    case 'failure':
      return `failure ${event.failure.condition}: ${event.failure.detail}`
  }
}
