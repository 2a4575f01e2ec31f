// Mantine's components in our colours and type.
import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

const gate: MantineColorsTuple = [
  "#eceefd",
  "#d5d9f9",
  "#a9b1f0",
  "#7a87e7",
  "#5664df",
  "#404fda",
  "#3346d3",
  "#2a39b3",
  "#2331a0",
  "#1a288d",
];

/** Mantine draws its dark components from this: the same cool greys as ours. */
const dark: MantineColorsTuple = [
  "#e8ebf0",
  "#b0b9c6",
  "#8f9aa9",
  "#6a7583",
  "#3a4553",
  "#232a34",
  "#1a2029",
  "#13171d",
  "#0d1015",
  "#0a0d11",
];

export const theme = createTheme({
  primaryColor: "gate",
  primaryShade: { light: 6, dark: 4 },
  colors: { gate, dark },
  fontFamily: "var(--gg-sans)",
  fontFamilyMonospace: "var(--gg-mono)",
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  defaultRadius: "md",
  cursorType: "pointer",
  focusRing: "auto",
  respectReducedMotion: true,
});

const ours = {
  "--mantine-color-body": "var(--gg-surface)",
  "--mantine-color-text": "var(--gg-text)",
  "--mantine-color-dimmed": "var(--gg-faint)",
  "--mantine-color-anchor": "var(--gg-accent)",
  "--mantine-color-default": "var(--gg-surface)",
  "--mantine-color-default-hover": "var(--gg-hover)",
  "--mantine-color-default-color": "var(--gg-text)",
  "--mantine-color-default-border": "var(--gg-line-strong)",
  "--mantine-color-placeholder": "var(--gg-faint)",
};

export const cssVariables: CSSVariablesResolver = () => ({ variables: {}, light: ours, dark: ours });
