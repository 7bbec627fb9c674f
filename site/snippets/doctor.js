import { diagnose } from 'filterbank'

show(await diagnose())
