import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compatibilityPage } from './compatibility-page.ts'
import { citationsIn, compliancePage } from './compliance.ts'
import { failuresPage } from './failure-reference.ts'
import { configurationPage } from './generated-docs.ts'

const root = join(import.meta.dirname, '..')
writeFileSync(join(root, 'docs/configuration.md'), configurationPage())
writeFileSync(join(root, 'docs/compliance.md'), compliancePage(citationsIn(root)))
writeFileSync(join(root, 'docs/failures.md'), failuresPage())
writeFileSync(join(root, 'docs/compatibility.md'), compatibilityPage())
