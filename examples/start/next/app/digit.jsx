'use client'
// In the browser. digits.onnx and seven.png stand in public/ (node ../../digits.mjs public).
import { createWorker } from 'filterbank/worker'
import { useEffect, useRef, useState } from 'react'

export function Digit() {
  const image = useRef(null)
  const [digit, setDigit] = useState('…')
  useEffect(() => {
    let worker
    let gone = false
    const read = async () => {
      worker = await createWorker()
      if (gone) return worker.dispose()
      const model = await worker.loadModel('/digits.onnx')
      await image.current.decode()
      const { scores } = await model.run({ picture: { image: image.current, channels: 'gray' } })
      const all = [...scores.data]
      setDigit(all.indexOf(Math.max(...all)))
    }
    read().catch((error) => gone || setDigit(error.message))
    return () => {
      gone = true
      worker?.dispose()
    }
  }, [])
  return (
    <>
      {/* biome-ignore lint/performance/noImgElement: the picture as it is, not one that a server made */}
      <img ref={image} src="/seven.png" width="112" alt="a digit" />
      <p>
        This is a <output>{digit}</output>
      </p>
    </>
  )
}
