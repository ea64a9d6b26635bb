<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<!-- The spread of samples in grey levels of 255, in the colours of viridis; what is more than 40 is drawn as 40. -->
<qgis version="3.22.0" styleCategories="Symbology">
  <pipe>
    <rasterrenderer type="singlebandpseudocolor" band="1" alphaBand="2" opacity="1" classificationMin="0" classificationMax="40">
      <minMaxOrigin>
        <limits>None</limits>
        <extent>WholeRaster</extent>
        <statAccuracy>Estimated</statAccuracy>
      </minMaxOrigin>
      <rastershader>
        <colorrampshader colorRampType="INTERPOLATED" classificationMode="1" minimumValue="0" maximumValue="40" clip="0">
          <item value="0" label="0" color="#440154" alpha="255"/>
          <item value="5" label="5" color="#472d7b" alpha="255"/>
          <item value="10" label="10" color="#3b528b" alpha="255"/>
          <item value="15" label="15" color="#2c728e" alpha="255"/>
          <item value="20" label="20" color="#21918c" alpha="255"/>
          <item value="25" label="25" color="#28ae80" alpha="255"/>
          <item value="30" label="30" color="#5ec962" alpha="255"/>
          <item value="35" label="35" color="#addc30" alpha="255"/>
          <item value="40" label="40 or more" color="#fde725" alpha="255"/>
          <rampLegendSettings useContinuousLegend="1" orientation="2" direction="0" prefix="" suffix="" minimumLabel="0 grey levels" maximumLabel="40 grey levels or more"/>
        </colorrampshader>
      </rastershader>
    </rasterrenderer>
  </pipe>
</qgis>
