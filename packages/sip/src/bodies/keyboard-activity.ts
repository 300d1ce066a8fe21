import { el, parseXmlDocument, serializeXml } from '@stox/xml'

/** COMPAT: how Lync says within a session that somebody types, in an INFO of this type. @see mapping D.14 item 8 */
export const KEYBOARD_ACTIVITY_TYPE = 'application/xml'

/** Undefined: it says something else. */
export function parseKeyboardActivity(body: Uint8Array): 'active' | 'idle' | undefined {
  const document = parseXmlDocument(body)
  if (!document.ok || document.value.name !== 'KeyboardActivity') return undefined
  const child = document.value.children.find((one) => typeof one !== 'string' && one.name === 'status')
  const status: unknown = typeof child === 'string' ? undefined : child?.attrs['status']
  return status === 'type' ? 'active' : status === 'idle' ? 'idle' : undefined
}

export const formatKeyboardActivity = (state: 'active' | 'idle'): string =>
  `<?xml version="1.0"?>\r\n${serializeXml(
    el('KeyboardActivity', {}, el('status', { status: state === 'active' ? 'type' : 'idle' })),
  )}`
