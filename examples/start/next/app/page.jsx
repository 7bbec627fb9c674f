import { Digit } from './digit.jsx'

export default function Page() {
  return <Digit />
}
