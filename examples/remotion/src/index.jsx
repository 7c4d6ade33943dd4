// A ring of dots, each frame a function of its number: useCurrentFrame() is the only clock.
import React from "react";
import {AbsoluteFill, Composition, interpolate, registerRoot, useCurrentFrame} from "remotion";

const WIDTH = 640, HEIGHT = 360;

const Ring = () => {
  const frame = useCurrentFrame();
  const radius = interpolate(frame, [0, 89], [60, 130]);
  return (
    <AbsoluteFill style={{background: "linear-gradient(#171332, #6b2b5d)"}}>
      <svg width={WIDTH} height={HEIGHT}>
        {[...Array(24).keys()].map((dot) => {
          const angle = (dot / 24 + frame / 90) * 2 * Math.PI;
          const size = 6 + 4 * Math.sin(dot + frame / 8);
          return <circle key={dot} r={size} fill={`hsl(${dot * 15} 90% 65%)`}
            cx={320 + radius * Math.cos(angle)} cy={165 + radius * Math.sin(angle)} />;
        })}
        <Strip frame={frame} />
      </svg>
    </AbsoluteFill>
  );
};

// The frame number for machines: 16 blocks along the bottom, and below them the same inverted.
const Strip = ({frame}) => [...Array(16).keys()].map((bit) => {
  const lit = (frame >> (15 - bit)) & 1;
  return (
    <g key={bit}>
      <rect x={bit * 40} y={344} width={40} height={8} fill={lit ? "white" : "black"} />
      <rect x={bit * 40} y={352} width={40} height={8} fill={lit ? "black" : "white"} />
    </g>
  );
});

registerRoot(() => <Composition id="ring" component={Ring} durationInFrames={90} fps={30} width={WIDTH} height={HEIGHT} />);
