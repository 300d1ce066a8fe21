import type { Requirement } from './requirements/requirement.ts'
import { RFC_3857, RFC_3858 } from './requirements/rfc3857.ts'
import { RFC_3862 } from './requirements/rfc3862.ts'
import { RFC_3903 } from './requirements/rfc3903.ts'
import { RFC_3994 } from './requirements/rfc3994.ts'
import { RFC_5438 } from './requirements/rfc5438.ts'
import { RFC_6665 } from './requirements/rfc6665.ts'
import { RFC_7247 } from './requirements/rfc7247.ts'
import { RFC_7572 } from './requirements/rfc7572.ts'
import { RFC_7573 } from './requirements/rfc7573.ts'
import { RFC_8048 } from './requirements/rfc8048.ts'

/** By RFC: each MUST, each SHOULD, each row of a table. A standard more is a file more, and a line here. */
export const REQUIREMENTS: readonly {
  readonly rfc: number
  readonly title: string
  readonly rows: readonly Requirement[]
}[] = [
  { rfc: 7247, title: 'Architecture, addresses, and error handling', rows: RFC_7247 },
  { rfc: 7572, title: 'Instant messaging', rows: RFC_7572 },
  { rfc: 7573, title: 'Sessions', rows: RFC_7573 },
  { rfc: 3994, title: 'Typing', rows: RFC_3994 },
  { rfc: 5438, title: 'Reports of delivery and display', rows: RFC_5438 },
  { rfc: 3862, title: 'CPIM, the message format', rows: RFC_3862 },
  { rfc: 8048, title: 'Presence', rows: RFC_8048 },
  { rfc: 6665, title: 'Event notification', rows: RFC_6665 },
  { rfc: 3903, title: 'Event state publication', rows: RFC_3903 },
  { rfc: 3857, title: 'Watcher information', rows: RFC_3857 },
  { rfc: 3858, title: 'Watcher information, the format', rows: RFC_3858 },
]
