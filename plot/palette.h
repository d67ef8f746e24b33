/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The colours of all pictures: those of Okabe and Ito, which people tell apart
 * whatever colours they see. One role, one colour: nothing else may have it.
 */
#ifndef PLOT_PALETTE_H
#define PLOT_PALETTE_H

/* Parts of 1; alpha 1 is opaque. */
struct plot_colour {
    double red, green, blue, alpha;
};

#define PLOT_BLACK  ((struct plot_colour){ 0.00, 0.00, 0.00, 1 })
#define PLOT_BLUE   ((struct plot_colour){ 0.00, 0.45, 0.70, 1 })
#define PLOT_GREEN  ((struct plot_colour){ 0.00, 0.62, 0.45, 1 })
#define PLOT_PURPLE ((struct plot_colour){ 0.80, 0.47, 0.65, 1 })
/* What is wrong, and nothing else. */
#define PLOT_WARNING ((struct plot_colour){ 0.84, 0.37, 0.00, 1 })
/* Sky blue, thinned: lines and text on it stay readable. */
#define PLOT_AREA  ((struct plot_colour){ 0.34, 0.71, 0.91, 0.4 })

#define PLOT_WHITE ((struct plot_colour){ 1, 1, 1, 1 })
#define PLOT_TEXT  ((struct plot_colour){ 0.13, 0.13, 0.13, 1 })
#define PLOT_FAINT ((struct plot_colour){ 0.36, 0.36, 0.36, 1 })
#define PLOT_GRID  ((struct plot_colour){ 0.88, 0.88, 0.88, 1 })
#define PLOT_FRAME ((struct plot_colour){ 0.60, 0.60, 0.60, 1 })
/* What nothing is known of. */
#define PLOT_UNKNOWN ((struct plot_colour){ 0.70, 0.70, 0.70, 1 })

#endif
