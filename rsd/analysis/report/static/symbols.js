// What LaTeX's names stand for. Read by math.js.

/** `"name char name char ..."` as a Map. */
function table(text) {
  const words = text.trim().split(/\s+/), map = new Map();
  for (let i = 0; i < words.length; i += 2) map.set(words[i], words[i + 1]);
  return map;
}

const GREEK = table(`alpha α beta β gamma γ delta δ epsilon ϵ varepsilon ε zeta ζ eta η theta θ
  vartheta ϑ iota ι kappa κ lambda λ mu μ nu ν xi ξ omicron ο pi π varpi ϖ rho ρ varrho ϱ sigma σ
  varsigma ς tau τ upsilon υ phi ϕ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ
  Xi Ξ Pi Π Sigma Σ Upsilon Υ Phi Φ Psi Ψ Omega Ω ell ℓ hbar ℏ imath ı jmath ȷ infty ∞ partial ∂
  nabla ∇ emptyset ∅ varnothing ∅ aleph ℵ Re ℜ Im ℑ wp ℘ top ⊤ bot ⊥ angle ∠ measuredangle ∡
  triangle △ square □ Box □ blacksquare ■ diamond ⋄ bigstar ★ star ⋆ degree ° checkmark ✓ complement ∁
  heartsuit ♡ diamondsuit ♢ clubsuit ♣ spadesuit ♠ dag † ddag ‡ S § P ¶ pounds £ euro € copyright ©
  dots … ldots … cdots ⋯ vdots ⋮ ddots ⋱ dotsc … dotsb ⋯ dotsm ⋯ dotso … prime ′ backslash \\
  lbrace { rbrace } exists ∃ nexists ∄ forall ∀ blacktriangle ▲ qedsymbol ∎ qed ∎ AA Å textasciitilde ~ Diamond ◇ bigtriangleup △ surd √`);

const OPERATORS = table(`pm ± mp ∓ times × div ÷ cdot ⋅ ast ∗ circ ∘ bullet ∙ oplus ⊕ ominus ⊖
  otimes ⊗ odot ⊙ wedge ∧ vee ∨ land ∧ lor ∨ neg ¬ lnot ¬ cap ∩ cup ∪ setminus ∖ smallsetminus ∖
  le ≤ leq ≤ leqslant ⩽ ge ≥ geq ≥ geqslant ⩾ ne ≠ neq ≠ lt < gt > ll ≪ gg ≫ equiv ≡ approx ≈ sim ∼
  simeq ≃ cong ≅ propto ∝ in ∈ notin ∉ ni ∋ subset ⊂ supset ⊃ subseteq ⊆ supseteq ⊇ subsetneq ⊊
  perp ⊥ parallel ∥ nparallel ∦ mid ∣ nmid ∤ vdash ⊢ models ⊨ to → rightarrow → leftarrow ←
  gets ← leftrightarrow ↔ Rightarrow ⇒ Leftarrow ⇐ Leftrightarrow ⇔ implies ⟹ impliedby ⟸ iff ⟺
  mapsto ↦ longrightarrow ⟶ Longrightarrow ⟹ longmapsto ⟼ longleftarrow ⟵ uparrow ↑ downarrow ↓
  nearrow ↗ searrow ↘ hookrightarrow ↪ rightleftharpoons ⇌ leadsto ⇝ therefore ∴ because ∵ colon :
  lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ langle ⟨ rangle ⟩ vert | Vert ‖ lvert | rvert | lVert ‖ rVert ‖
  lbrack [ rbrack ] doteq ≐ triangleq ≜ coloneqq ≔ prec ≺ succ ≻ preceq ⪯ succeq ⪰ asymp ≍ lhd ⊲
  rhd ⊳ triangleleft ◁ triangleright ▷ ltimes ⋉ rtimes ⋊ dagger † ddagger ‡ nleq ≰ ngeq ≱ nsubseteq ⊈
  lesssim ≲ gtrsim ≳ vartriangle △ amalg ⨿ sqcup ⊔ sqcap ⊓ uplus ⊎ oslash ⊘ boxplus ⊞ bowtie ⋈ frown ⌢ smile ⌣`);

const BIG = table(`sum ∑ prod ∏ coprod ∐ int ∫ iint ∬ iiint ∭ oint ∮ bigcup ⋃ bigcap ⋂ bigoplus ⨁
  bigotimes ⨂ bigvee ⋁ bigwedge ⋀ bigsqcup ⨆`);

const LIMITS = new Set("lim max min sup inf limsup liminf gcd det Pr argmax argmin".split(" "));
const FUNCTIONS = new Set(`sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot ln
  log lg exp dim ker deg arg hom lcm mod sgn`.split(/\s+/));

const SPACES = table(`, 0.17em : 0.22em > 0.22em ; 0.28em ! -0.17em quad 1em qquad 2em enspace 0.5em
  thinspace 0.17em medspace 0.22em thickspace 0.28em negthinspace -0.17em`);

const ACCENTS = table(`hat ^ widehat ^ bar ¯ overline ‾ vec → overrightarrow → overleftarrow ←
  overleftrightarrow ↔ dot ˙ ddot ¨ tilde ~ widetilde ~ check ˇ breve ˘ acute ´ grave \` mathring ˚
  overbrace ⏞ overarc ⌒ wideparen ⌒ overparen ⏜`);
const STRETCHED = new Set(`widehat overline overrightarrow overleftarrow overleftrightarrow widetilde
  overbrace overarc wideparen overparen`.split(/\s+/));
const UNDERS = table("underline _ underbrace ⏟ underbar _");

// Where each alphabet's A, a and 0 stand in Unicode, and the letters that stand elsewhere.
const ALPHABETS = {
  mathbb: [0x1d538, 0x1d552, 0x1d7d8, table("C ℂ H ℍ N ℕ P ℙ Q ℚ R ℝ Z ℤ")],
  mathcal: [0x1d49c, 0x1d4b6, 0, table("B ℬ E ℰ F ℱ H ℋ I ℐ L ℒ M ℳ R ℛ e ℯ g ℊ o ℴ")],
  mathfrak: [0x1d504, 0x1d51e, 0, table("C ℭ H ℌ I ℑ R ℜ Z ℨ")],
  mathbf: [0x1d400, 0x1d41a, 0x1d7ce, new Map()],
  mathsf: [0x1d5a0, 0x1d5ba, 0x1d7e2, new Map()],
  mathtt: [0x1d670, 0x1d68a, 0x1d7f6, new Map()],
};
Object.assign(ALPHABETS, {
  mathscr: ALPHABETS.mathcal, boldsymbol: ALPHABETS.mathbf, bm: ALPHABETS.mathbf,
  pmb: ALPHABETS.mathbf, Bbb: ALPHABETS.mathbb, bold: ALPHABETS.mathbf,
  bf: ALPHABETS.mathbf, cal: ALPHABETS.mathcal,
});

const MATRICES = { matrix: ["", ""], smallmatrix: ["", ""], pmatrix: ["(", ")"], bmatrix: ["[", "]"],
  Bmatrix: ["{", "}"], vmatrix: ["|", "|"], Vmatrix: ["‖", "‖"], cases: ["{", ""],
  dcases: ["{", ""], rcases: ["", "}"], array: ["", ""], tabular: ["", ""], subarray: ["", ""] };
const ALIGNED = new Set(`align align* aligned alignat alignat* alignedat split eqnarray eqnarray*
  gather gather* gathered equation equation* multline multline* flalign flalign*`.split(/\s+/));
