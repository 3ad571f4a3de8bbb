const path = require("path");
const { DefinePlugin } = require("webpack");

// An input that no import names: what a build cache overlooks unless somebody watches.
const greeting = require("./settings.json").greeting;

module.exports = {
  entry: "./src/index.js",
  output: { path: path.resolve(__dirname, "dist"), filename: "[name].[contenthash:8].js", clean: true },
  optimization: { splitChunks: { chunks: "all" } },
  performance: { hints: false },
  plugins: [new DefinePlugin({ GREETING: JSON.stringify(greeting) })],
};
